"""Reads a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), as kube-scheduler takes it with `--config`.

Strict: a field that is not known is an error, and so is what this scheduler does not have (extenders, plugins of
others). What is about kube-scheduler's own process (bind addresses, profiling) is read and left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from sampan.api import durations
from sampan.scheduler.config import Profile, SchedulerConfig
from sampan.scheduler.plugin_args import apply_args
from sampan.scheduler.plugin_sets import PluginSets, apply_sets

API_VERSION, KIND = "kubescheduler.config.k8s.io/v1", "KubeSchedulerConfiguration"


class BadConfiguration(ValueError):
    """The file cannot be used; the message says where and why."""


class _PluginConfig(Struct, forbid_unknown_fields=True):
    name: str = ""
    args: dict[str, Any] = field(default_factory=dict)


class _Profile(Struct, forbid_unknown_fields=True):
    schedulerName: str = "default-scheduler"
    percentageOfNodesToScore: int | None = None
    plugins: PluginSets = field(default_factory=PluginSets)
    pluginConfig: list[_PluginConfig] = field(default_factory=list)


class _LeaderElection(Struct, forbid_unknown_fields=True):
    leaderElect: bool = True
    leaseDuration: str = "15s"
    renewDeadline: str = "10s"
    retryPeriod: str = "2s"
    resourceLock: str = "leases"
    resourceName: str = "kube-scheduler"
    resourceNamespace: str = "kube-system"


class _ClientConnection(Struct, forbid_unknown_fields=True):
    kubeconfig: str = ""
    acceptContentTypes: str = ""
    contentType: str = ""
    qps: float = 50.0
    burst: int = 100


class _File(Struct, forbid_unknown_fields=True):
    apiVersion: str = ""
    kind: str = ""
    parallelism: int = 16
    leaderElection: _LeaderElection = field(default_factory=_LeaderElection)
    clientConnection: _ClientConnection = field(default_factory=_ClientConnection)
    percentageOfNodesToScore: int = 0
    podInitialBackoffSeconds: int = 1
    podMaxBackoffSeconds: int = 10
    profiles: list[_Profile] = field(default_factory=list)
    extenders: list[Any] = field(default_factory=list)
    enableProfiling: bool = True
    enableContentionProfiling: bool = True
    delayCacheUntilActive: bool = False


class Configuration(Struct, kw_only=True, frozen=True):
    scheduler: SchedulerConfig
    kubeconfig: str = ""


def load(path: Path) -> Configuration:
    import yaml

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadConfiguration(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise BadConfiguration(f"{path}: {error}") from None
    return read(data)


def read(data: Any) -> Configuration:
    try:
        file = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        raise BadConfiguration(str(error)) from None
    if (file.apiVersion, file.kind) != (API_VERSION, KIND):
        raise BadConfiguration(f"expected a {KIND} of {API_VERSION}, not {file.kind!r} of {file.apiVersion!r}")
    if file.extenders:
        raise BadConfiguration("extenders: not supported")
    profiles = file.profiles or [_Profile()]
    _demand_unique(p.schedulerName for p in profiles)
    election = file.leaderElection
    config = SchedulerConfig(
        profiles=[_profile(f"profiles[{at}]", p, file) for at, p in enumerate(profiles)],
        backoff_initial=float(_at_least(file.podInitialBackoffSeconds, 1, "podInitialBackoffSeconds")),
        backoff_max=float(_at_least(file.podMaxBackoffSeconds, file.podInitialBackoffSeconds, "podMaxBackoffSeconds")),
        leader_elect=election.leaderElect,
        lease_name=election.resourceName,
        lease_namespace=election.resourceNamespace,
        lease_duration=_seconds(election.leaseDuration, "leaderElection.leaseDuration"),
        renew_deadline=_seconds(election.renewDeadline, "leaderElection.renewDeadline"),
        retry_period=_seconds(election.retryPeriod, "leaderElection.retryPeriod"),
    )
    if election.resourceLock != "leases":
        raise BadConfiguration('leaderElection.resourceLock: must be "leases"')
    return Configuration(scheduler=config, kubeconfig=file.clientConnection.kubeconfig)


def _profile(where: str, wanted: _Profile, file: _File) -> Profile:
    share = wanted.percentageOfNodesToScore
    share = file.percentageOfNodesToScore if share is None else share
    if not 0 <= share <= 100:
        raise BadConfiguration(f"{where}.percentageOfNodesToScore: not in the range 0 to 100")
    profile = Profile(name=wanted.schedulerName, percentage_of_nodes_to_score=share)
    if not profile.name:
        raise BadConfiguration(f"{where}.schedulerName: must not be empty")
    try:
        profile = apply_sets(profile, wanted.plugins)
    except ValueError as error:
        raise BadConfiguration(f"{where}.plugins: {error}") from None
    seen: set[str] = set()
    for at, given in enumerate(wanted.pluginConfig):
        spot = f"{where}.pluginConfig[{at}]"
        if given.name in seen:
            raise BadConfiguration(f"{spot}: {given.name!r} is configured twice")
        seen.add(given.name)
        try:
            profile = apply_args(profile, given.name, _without_type(given.args, given.name))
        except (ValueError, msgspec.ValidationError) as error:
            raise BadConfiguration(f"{spot}: {error}") from None
    return profile


def _without_type(args: Mapping[str, Any], plugin: str) -> dict[str, Any]:
    if args.get("apiVersion", API_VERSION) != API_VERSION or args.get("kind", f"{plugin}Args") != f"{plugin}Args":
        raise ValueError(f"args must be {plugin}Args of {API_VERSION}")
    return {k: v for k, v in args.items() if k not in ("apiVersion", "kind")}


def _demand_unique(names: Iterable[str]) -> None:
    listed = list(names)
    for name in listed:
        if listed.count(name) > 1:
            raise BadConfiguration(f"profiles: two have the schedulerName {name!r}")


def _at_least(value: int, least: int, where: str) -> int:
    if value < least:
        raise BadConfiguration(f"{where}: must be at least {least}")
    return value


def _seconds(text: str, where: str) -> float:
    try:
        return durations.parse(text)
    except durations.DurationError as error:
        raise BadConfiguration(f"{where}: {error}") from None
