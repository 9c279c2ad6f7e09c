"""Node: the process, its loop and its disk."""

from __future__ import annotations

from dashboards.chart import BYTES, COUNT, RATE_UNIT, RATIO, SECONDS, Board, Chart, Query, Section, quantile

_EACH = "{{instance}}"


def _each(title: str, says: str, unit: str, expr: str, *, most: float | None = None) -> Chart:
    """A line for each node."""
    return Chart(title, says, unit, (Query(expr, _EACH),), most=most)


NODE = Board(
    "dynamo-node",
    "Dynamo / Node",
    "The processes: processor, memory, event loop, disk. One line for each node.",
    (
        Section(
            "Process",
            (
                _each(
                    "Processor",
                    "Seconds of processor a second; a node answers on one core, its disk writer takes some of another.",
                    RATIO,
                    'rate(process_cpu_seconds_total{S,job="dynamo"}[R])',
                ),
                _each(
                    "Memory",
                    "Resident, pages of the store that are mapped included.",
                    BYTES,
                    'process_resident_memory_bytes{S,job="dynamo"}',
                ),
                _each(
                    "Open files",
                    "Share of what the process may open; each connection is one.",
                    RATIO,
                    'process_open_fds{S,job="dynamo"} / process_max_fds{S,job="dynamo"}',
                    most=1,
                ),
                _each(
                    "Garbage collections",
                    "Of the oldest generation: each stops the node for a while.",
                    RATE_UNIT,
                    'rate(python_gc_collections_total{S,job="dynamo",generation="2"}[R])',
                ),
            ),
        ),
        Section(
            "Event loop and admission",
            (
                _each(
                    "Loop delay, 99th percentile",
                    "How much later than asked a timer runs: every request waits so long as well.",
                    SECONDS,
                    quantile(0.99, "dynamo_event_loop_lag_seconds{S}", "instance"),
                ),
                Chart(
                    "Requests at work",
                    "And how many the node lets in now, which follows how long requests lie before they are begun.",
                    COUNT,
                    (
                        Query("dynamo_inflight_requests{S}", "{{instance}}"),
                        Query("dynamo_inflight_max_requests{S}", "{{instance}}, limit"),
                    ),
                ),
            ),
        ),
        Section(
            "Store",
            (
                _each("Keys", "Records held, tombstones included.", COUNT, "dynamo_store_keys{S}"),
                _each(
                    "Bytes, of the most",
                    "How full the store's file is.",
                    RATIO,
                    "dynamo_store_bytes{S} / (dynamo_store_map_bytes{S} > 0)",
                    most=1,
                ),
                _each(
                    "Commit, 99th percentile",
                    "Time of one transaction of the writer, its sync included: no acknowledgement is faster.",
                    SECONDS,
                    quantile(0.99, "dynamo_storage_commit_duration_seconds{S}", "instance"),
                ),
                _each(
                    "Batches that shared a sync",
                    "Mean. It grows with the load, and is why writes become cheaper under it.",
                    "none",
                    "rate(dynamo_storage_batch_size_sum{S}[R]) / (rate(dynamo_storage_batch_size_count{S}[R]) > 0)",
                ),
                _each(
                    "Damaged keys in doubt",
                    "Not brought back from the other replicas yet, and not read to anybody.",
                    COUNT,
                    "dynamo_audit_in_doubt_keys{S}",
                ),
            ),
        ),
        Section(
            "Being scraped",
            (
                _each(
                    "Time of a scrape",
                    "As Prometheus sees it; the page is made on the node's loop.",
                    SECONDS,
                    'scrape_duration_seconds{S,job="dynamo"}',
                ),
                _each(
                    "Series of a node",
                    "Lines of the page. It does not grow with the number of keys or clients.",
                    COUNT,
                    'scrape_samples_scraped{S,job="dynamo"}',
                ),
            ),
        ),
    ),
)
