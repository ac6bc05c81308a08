"""The table of CronJobs: which start is due, what is kept; and a day of them in milliseconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.api import cron
from sampan.api.types import batch_v1, core_v1, meta_v1
from sampan.client.clock import FakeClock, rfc3339
from sampan.client.fake import FakeServer
from sampan.controllers import ControllersConfig, run
from sampan.controllers.cron_job.decide import SCHEDULED_AT, due, surplus
from sampan.controllers.owned_pods import owner_reference
from tests.unit.controllers.pods import NOW

MINUTE, HOUR = 60.0, 3600.0


def cron_job(
    schedule: str = "0 * * * *", *, last: float | None = None, born: float = NOW, **spec: Any
) -> batch_v1.CronJob:
    return batch_v1.CronJob(
        metadata=meta_v1.ObjectMeta(name="c", namespace="n", creationTimestamp=rfc3339(born)),
        spec=batch_v1.CronJobSpec(schedule=schedule, **spec),
        status=batch_v1.CronJobStatus(lastScheduleTime=rfc3339(last) if last is not None else None),
    )


@pytest.mark.parametrize(
    ("found", "now", "start", "next_in"),
    [
        (cron_job(), NOW + 1, None, HOUR - 1),
        (cron_job(), NOW + HOUR, NOW + HOUR, HOUR),
        (cron_job(), NOW + 3 * HOUR + 5, NOW + 3 * HOUR, HOUR - 5),  # of several missed ones the newest
        (cron_job(last=NOW + HOUR), NOW + HOUR + 5, None, HOUR - 5),
        (cron_job(startingDeadlineSeconds=60), NOW + HOUR + 30, NOW + HOUR, HOUR - 30),
        (cron_job(startingDeadlineSeconds=60), NOW + HOUR + 90, None, HOUR - 90),
        (cron_job("30 9 * * *", timeZone="Asia/Seoul"), NOW + HOUR, NOW + HOUR / 2, 23.5 * HOUR),
    ],
)
def test_what_is_due(found: Any, now: float, start: float | None, next_in: float) -> None:
    decided = due(found, cron.parse(found.spec.schedule), now)
    assert (decided.start.timestamp() if decided.start else None, decided.next_in) == (start, next_in)


@pytest.mark.parametrize(("missed", "too_many"), [(50, False), (100, False), (101, True), (100_000, True)])
def test_too_many_missed_starts(missed: int, too_many: bool) -> None:
    now = NOW + missed * MINUTE + 1
    decided = due(cron_job("* * * * *"), cron.parse("* * * * *"), now)
    assert decided.too_many is too_many
    assert decided.start is not None
    assert decided.start.timestamp() == now - 1, "the newest is started all the same"


def ended(name: str, kind: str, at: float) -> batch_v1.Job:
    status = batch_v1.JobStatus(
        startTime=rfc3339(NOW + at), conditions=[batch_v1.JobCondition(type=kind, status="True")]
    )
    return batch_v1.Job(metadata=meta_v1.ObjectMeta(name=name), status=status)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["ok1", "bad1"]),
        ({"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0}, ["ok1", "ok2", "ok3", "bad1", "bad2"]),
        ({"successfulJobsHistoryLimit": 9, "failedJobsHistoryLimit": 9}, []),
    ],
)
def test_history(spec: dict[str, Any], expected: list[str]) -> None:
    jobs = [ended(f"ok{i}", "Complete", i) for i in (4, 2, 1, 3)] + [ended(f"bad{i}", "Failed", i) for i in (2, 1)]
    jobs.append(batch_v1.Job(metadata=meta_v1.ObjectMeta(name="running")))
    assert [j.metadata.name for j in surplus(cron_job(**spec), jobs)] == expected


# --- over a day ---


class Day:
    """A CronJob, its controller, and a clock that a test steps; Jobs end when the test says so."""

    def __init__(self, found: batch_v1.CronJob) -> None:
        self.clock = FakeClock(NOW)
        self.server = FakeServer(clock=self.clock)
        self.server.add(found)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Day:
        config = ControllersConfig(controllers=("cronjob-controller",))
        self._task = asyncio.create_task(run(self.server.client, config, clock=self.clock))
        await self.clock.advance(0.5)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def jobs(self) -> list[batch_v1.Job]:
        return self.server.all(batch_v1.Job, namespace="n")

    def status(self) -> batch_v1.CronJobStatus:
        found = self.server.get(batch_v1.CronJob, "c", namespace="n")
        assert found is not None
        return found.status

    def said(self) -> list[tuple[str, str]]:
        return [(e.reason or "", e.message or "") for e in self.server.all(core_v1.Event, namespace="n")]

    async def end(self, job: batch_v1.Job, kind: str = "Complete") -> None:
        at = rfc3339(self.clock.now())
        job.status.conditions = [batch_v1.JobCondition(type=kind, status="True", lastTransitionTime=at)]
        job.status.startTime = at
        job.status.completionTime = at if kind == "Complete" else None
        await self.server.client().resource(batch_v1.Job).update_status(job)
        await self.clock.advance(0.5)


async def test_a_job_every_hour_and_its_history() -> None:
    async with Day(cron_job()) as day:
        for hour in range(6):
            await day.clock.advance(HOUR)
            running = [j for j in day.jobs() if not j.status.conditions]
            assert len(running) == 1, hour
            assert [a.name for a in day.status().active or ()] == [running[0].metadata.name]
            await day.end(running[0])
        kept = day.jobs()
        assert len(kept) == 3
        meta = kept[0].metadata
        at = NOW + 4 * HOUR
        assert meta.name == f"c-{int(at) // 60}"
        assert meta.annotations == {"batch.kubernetes.io/cronjob-scheduled-timestamp": rfc3339(at)}
        assert day.status().active is None
        assert day.status().lastScheduleTime == rfc3339(NOW + 6 * HOUR)
        reasons = [reason for reason, _ in day.said()]
        assert reasons.count("SuccessfulCreate") == reasons.count("SawCompletedJob") == 6


@pytest.mark.parametrize(
    ("policy", "running", "word"),
    [("Allow", 3, "SuccessfulCreate"), ("Forbid", 1, "JobAlreadyActive"), ("Replace", 1, "SuccessfulDelete")],
)
async def test_concurrency(policy: str, running: int, word: str) -> None:
    async with Day(cron_job(concurrencyPolicy=policy)) as day:
        await day.clock.advance(3 * HOUR)
        assert len(day.jobs()) == running
        assert len(day.status().active or ()) == running
        assert word in [reason for reason, _ in day.said()]
        last = int(day.jobs()[-1].metadata.name.partition("-")[2])  # type: ignore[union-attr]
        assert last * 60 == NOW + (HOUR if policy == "Forbid" else 3 * HOUR)


async def test_a_forbidden_start_is_made_up_for_when_the_job_has_ended() -> None:
    async with Day(cron_job(concurrencyPolicy="Forbid")) as day:
        await day.clock.advance(1.5 * HOUR)
        (first,) = day.jobs()
        await day.clock.advance(HOUR)
        await day.end(first)
        assert len(day.jobs()) == 2, "the start of the second hour was missed, and is done now"


async def test_suspended_and_resumed() -> None:
    async with Day(cron_job(suspend=True)) as day:
        await day.clock.advance(5 * HOUR)
        assert day.jobs() == []
        crons = day.server.client().resource(batch_v1.CronJob)
        await crons.patch("c", {"spec": {"suspend": False}}, namespace="n")
        await day.clock.advance(1)
        assert len(day.jobs()) == 1


async def test_a_killed_controller_starts_no_second_job() -> None:
    day = Day(cron_job())
    async with day:
        await day.clock.advance(HOUR + 1)
    day.status()
    found = day.server.get(batch_v1.CronJob, "c", namespace="n")
    assert found is not None
    found.status = batch_v1.CronJobStatus()  # as if it was killed before it wrote that down
    day.server.add(found)
    async with day:
        await day.clock.advance(1)
        assert len(day.jobs()) == 1
        assert [a.name for a in day.status().active or ()] == [day.jobs()[0].metadata.name]


async def test_a_schedule_that_cannot_be_read() -> None:
    async with Day(cron_job("every day")) as day:
        await day.clock.advance(1)
        ((reason, message),) = day.said()
        assert reason == "UnparseableSchedule"
        assert message.startswith('unparseable schedule: "every day" : ')


async def test_a_zone_that_is_none() -> None:
    async with Day(cron_job(timeZone="Mars/North")) as day:
        await day.clock.advance(3 * HOUR)
        assert day.jobs() == []
        assert {reason for reason, _ in day.said()} == {"UnknownTimeZone"}


async def test_a_job_of_somebody_else_that_says_it_is_ours() -> None:
    day = Day(cron_job(suspend=True))
    found = day.server.get(batch_v1.CronJob, "c", namespace="n")
    assert found is not None
    owner = owner_reference("batch/v1", "CronJob", found.metadata)
    meta = meta_v1.ObjectMeta(name="mine", namespace="n", ownerReferences=[owner])
    day.server.add(batch_v1.Job(metadata=meta))
    async with day:
        await day.clock.advance(1)
        assert ("UnexpectedJob", "Saw a job that the controller did not create or forgot: mine") in day.said()
        assert day.status().active is None


async def test_the_time_of_a_start_is_told_in_its_zone() -> None:
    async with Day(cron_job("30 9 * * *", timeZone="Asia/Seoul")) as day:
        await day.clock.advance(HOUR)
        (job,) = day.jobs()
        assert (job.metadata.annotations or {})[SCHEDULED_AT] == "2026-01-01T09:30:00+09:00"


async def test_a_job_that_went_missing() -> None:
    async with Day(cron_job()) as day:
        await day.clock.advance(HOUR + 1)
        name = day.jobs()[0].metadata.name or ""
        await day.server.client().resource(batch_v1.Job).delete(name, namespace="n")
        await day.clock.advance(1)
        assert ("MissingJob", f"Active job went missing: {name}") in day.said()
        assert day.status().active is None
