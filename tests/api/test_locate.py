from dynamo.ring.token import partition_of, token
from tests.api.serving import assert_problem, fresh


async def test_a_keys_place(api):
    """Token and partition as the ring computes them, distinct replicas, primaries first, reachable where it says."""
    bucket = fresh()
    place = (await api.call("GET", f"/v1/locate/{bucket}/user42/%ff")).json
    ring = (await api.call("GET", "/v1/ring")).json
    at = token(bucket, b"user42/\xff")
    assert (place["bucket"], place["key_b64"]) == (bucket, "dXNlcjQyL/8=")
    assert place["token"] == f"{at:016x}"
    assert place["partition"] == partition_of(at, ring["partitions"])
    assert place["epoch"] == ring["epoch"]
    nodes = [replica["node"] for replica in place["replicas"]]
    assert len(set(nodes)) == len(nodes) == len(ring["members"])
    assert [replica["role"] for replica in place["replicas"]][:3] == ["primary"] * 3
    assert {replica["role"] for replica in place["replicas"][3:]} <= {"fallback"}
    assert nodes[0] == ring["owners"][place["partition"]]
    ports = {member["id"]: member["client_port"] for member in ring["members"]}
    assert all(replica["client_port"] == ports[replica["node"]] for replica in place["replicas"])


async def test_one_partition_key_one_place(api):
    """Keys that agree up to their first slash lie together; the bucket's n decides how many primaries there are."""
    bucket = fresh()
    await api.json("PUT", f"/v1/buckets/{bucket}", {"n": 1})
    places = [(await api.call("GET", f"/v1/locate/{bucket}/{key}")).json for key in ("u1/a", "u1/b/c", "u1")]
    assert len({place["partition"] for place in places}) == 1
    assert [r["role"] for r in places[0]["replicas"]].count("primary") == 1
    assert places[0]["key"] == "u1/a"


async def test_the_ring(api):
    """Cluster, epoch, members, and a member as the owner of each partition."""
    reply = await api.call("GET", "/v1/ring")
    ring = reply.json
    assert reply.headers["Dynamo-Epoch"] == str(ring["epoch"])
    assert len(ring["owners"]) == ring["partitions"]
    assert set(ring["owners"]) == {member["id"] for member in ring["members"]}
    assert set(ring["members"][0]) == {"id", "host", "client_port", "zone", "host_label", "weight"}


async def test_bad_places(api):
    """Names and keys are checked as everywhere; there are no parameters."""
    assert_problem(await api.call("GET", "/v1/locate/BAD/k"), 400, "invalid-parameter")
    assert_problem(await api.call("GET", f"/v1/locate/{fresh()}/"), 400, "bad-request")
    assert_problem(await api.call("GET", f"/v1/locate/{fresh()}/{'k' * 401}"), 414, "key-too-long")
    assert_problem(await api.call("GET", f"/v1/locate/{fresh()}/k?n=2"), 400, "invalid-parameter")
    assert_problem(await api.call("GET", "/v1/ring?x=1"), 400, "invalid-parameter")
