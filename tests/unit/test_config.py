"""What a configuration derives from its settings."""

from dynamo.config import BucketsSection, ClusterSection, Config, MemberSection, NodeSection


def test_a_small_cluster_keeps_fewer_copies():
    """No more than it has nodes; else what is configured."""
    two = ClusterSection(members=(MemberSection(id="node1"), MemberSection(id="node2")))
    assert Config(cluster=two).default_n == 2
    assert Config(cluster=two, buckets=BucketsSection(n=1)).default_n == 1


def test_a_node_finds_its_own_entry():
    """By its id."""
    two = ClusterSection(members=(MemberSection(id="node1"), MemberSection(id="node2", weight=3)))
    assert Config(node=NodeSection(id="node2"), cluster=two).member.weight == 3
