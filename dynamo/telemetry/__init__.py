"""Beside. How a node shows what it does: numbers at scrape, log lines, request ids that run through both."""
