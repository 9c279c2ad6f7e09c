"""Beside the product: dashboards for Grafana as a program, and Prometheus's rules.

`python -m dashboards` writes the JSON. The boards are described with `chart.py`, one file each, and built with
Grafana's own types by `board.py`; `grafana/` and `prometheus/` hold what is installed. How: docs/dashboards.md.
"""
