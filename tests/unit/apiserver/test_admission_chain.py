"""The chain of admission asks every plugin for the halves that it has, in order."""

from __future__ import annotations

from typing import Any, cast

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.contracts import AdmissionAttributes, AdmissionChain

said: list[str] = []


class Mutates(Plugin):
    async def mutate(self, attributes: AdmissionAttributes) -> None:
        said.append("mutate")


class Validates(Plugin):
    async def validate(self, attributes: AdmissionAttributes) -> None:
        said.append("validate")


class Both(Mutates, Validates): ...


async def test_each_half_once_and_nobody_left_out() -> None:
    core, attributes = cast("Any", None), cast("Any", Attributes())
    chain = AdmissionChain([Mutates(core), Validates(core), Both(core)])
    said.clear()
    await chain.mutate(attributes)
    await chain.validate(attributes)
    assert said == ["mutate", "mutate", "validate", "validate"]


class Attributes:
    object = None
