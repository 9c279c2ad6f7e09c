"""All boards, in the order in which a reader wants them."""

from __future__ import annotations

from dashboards.chart import Board
from dashboards.levels import LEVELS
from dashboards.load_run import LOAD_RUN
from dashboards.node import NODE
from dashboards.objectives import OBJECTIVES
from dashboards.overview import OVERVIEW
from dashboards.replication import REPLICATION
from dashboards.what_if import WHAT_IF

BOARDS: tuple[Board, ...] = (OVERVIEW, LEVELS, WHAT_IF, REPLICATION, NODE, LOAD_RUN, OBJECTIVES)
