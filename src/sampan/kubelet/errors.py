"""Why a Pod cannot go on, as types: each carries the reason that its status or event shows.

PodFault                     something has to change or be tried again
├── ContainerFault           one container cannot start; `reason` becomes its waiting state
├── MountFault               a volume is not there yet: FailedMount, retried soon
└── SandboxFault             FailedCreatePodSandBox
"""


class PodFault(Exception):
    """Tried again after a while."""


class ContainerFault(PodFault):
    """A container cannot start: `CreateContainerConfigError`, `ImagePullBackOff`, `CrashLoopBackOff`, …"""

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class ConfigFault(ContainerFault):
    """Its configuration refers to something that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


class MountFault(PodFault):
    def __init__(self, volume: str, message: str) -> None:
        super().__init__(message)
        self.volume = volume
        self.message = message


class SandboxFault(PodFault):
    pass
