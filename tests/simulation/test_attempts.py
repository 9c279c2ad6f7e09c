"""A request that another node has taken over, or called off, and that its first coordinator finds when it goes on."""

from __future__ import annotations

import asyncio

import pytest

from dynamo.consensus.requests import KEEP_MAX
from dynamo.errors import CalledOff, DynamoError, OutcomeForgotten
from dynamo.protocol.commands import Action, ChangeOutcome
from tests.simulation.register_stage import RegisterStage, perform
from tests.simulation.test_registers import value_of

pytestmark = pytest.mark.simulation

NAME = b"n" * 16
PAUSE_S = 1.2
"""Longer than a silent coordinator is waited for, shorter than what it takes for a stop of its own."""


async def replaced(stage: RegisterStage, via: str) -> None:
    """More changes than the key remembers."""
    for _ in range(KEEP_MAX // 64 + 1):
        made = await asyncio.gather(*(stage.change(via, value=b"new") for _ in range(64)))
        assert not [each for each in made if isinstance(each, DynamoError)]


def test_an_old_attempt_does_not_bring_back_what_was_replaced():
    """The first coordinator was stopped with the request in its socket. 256 changes later it goes on."""

    async def story(stage: RegisterStage) -> None:
        first, second, third = stage.replicas()
        began = stage.world.now()
        stage.cluster.pause(first)
        assert isinstance(await stage.change(second, value=b"old", request=NAME), ChangeOutcome)
        await replaced(stage, second)
        await stage.world.sleep(began + PAUSE_S - stage.world.now())
        stage.cluster.resume(first)
        await stage.world.sleep(1)
        assert value_of(await stage.look(third)) == b"new"

    perform(story)


def test_what_was_called_off_stays_so():
    """However many changes come before the attempt that was late."""

    async def story(stage: RegisterStage) -> None:
        first, second, third = stage.replicas()
        resolved = await stage.change(second, Action.RESOLVE, target=NAME)
        assert isinstance(resolved, ChangeOutcome)
        assert not resolved.applied
        await replaced(stage, second)
        assert isinstance(await stage.change(first, value=b"old", request=NAME), CalledOff)
        assert value_of(await stage.look(third)) == b"new"

    perform(story)


def test_a_question_says_nothing_of_the_age_of_what_it_asks_about():
    """Through a node that hands it on, as it does with changes, which are as young as that."""

    async def story(stage: RegisterStage) -> None:
        first, second, _ = stage.replicas()
        assert isinstance(await stage.change(first, value=b"old", request=NAME), ChangeOutcome)
        await replaced(stage, first)
        for via in (first, second):
            assert isinstance(await stage.change(via, Action.RESOLVE, target=NAME), OutcomeForgotten)

    perform(story)
