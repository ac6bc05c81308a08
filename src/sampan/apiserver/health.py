"""/livez, /readyz, /healthz (with ?verbose and ?exclude), /version, /metrics."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable

from sampan.apiserver.codec import encode
from sampan.apiserver.core import Core
from sampan.apiserver.metrics import Metrics
from sampan.apiserver.request import TEXT, Answer, Reply, Request
from sampan.version import GIT_VERSION, KUBERNETES_MAJOR, KUBERNETES_MINOR, __version__

Check = Callable[[], str]  # empty: fine; else what is wrong


def _fine() -> str:
    return ""


class Health:
    """`checks` are of all three; `ready` only of /readyz. Others may add theirs before the server starts."""

    def __init__(self, core: Core) -> None:
        self.checks: dict[str, Check] = {
            "ping": _fine,
            "log": _fine,
            "etcd": lambda: str(core.caches.lost or ""),  # whatever the store is: monitors ask for it by this name
        }
        self.ready: dict[str, Check] = {
            "informer-sync": lambda: "" if core.caches.revision else "not synced",
            "shutdown": _fine,
        }
        if core.freshness is not None:
            self.ready["etcd-readiness"] = core.freshness.wrong

    async def answer(self, core: Core, request: Request) -> Answer:
        _, name, *rest = request.path.split("/")
        done: dict[str, Check] = dict.fromkeys(core.started, _fine)
        checks = {**self.checks, **done, **(self.ready if name == "readyz" else {})}
        if rest and rest[0]:
            one = checks.get("/".join(rest))
            if one is None:
                return Reply(404, b"404 page not found\n", TEXT)
            wrong = one()
            return Reply(500, f"internal server error: {wrong}\n".encode(), TEXT) if wrong else Reply(200, b"ok", TEXT)
        excluded = set(request.query.get("exclude") or ())
        unknown = sorted(excluded - set(checks))
        lines, failed = [], []
        for check, run in checks.items():
            if check in excluded:
                lines.append(f"[+]{check} excluded: ok")
                continue
            wrong = run()
            lines.append(f"[-]{check} failed: reason withheld" if wrong else f"[+]{check} ok")
            if wrong:
                failed.append(check)
        if unknown:
            named = ", ".join(f'"{u}"' for u in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {named}")
        if failed:
            return Reply(500, "\n".join([*lines, f"{name} check failed", ""]).encode(), TEXT)
        if "verbose" in request.query:
            return Reply(200, "\n".join([*lines, f"{name} check passed", ""]).encode(), TEXT)
        return Reply(200, b"ok", TEXT)


async def version(core: Core, request: Request) -> Answer:
    major, minor = KUBERNETES_MAJOR, KUBERNETES_MINOR
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    body = {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": GIT_VERSION,
        "gitCommit": __version__,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{machine}",
    }
    return Reply(200, encode(body) + b"\n")


def metrics_route(metrics: Metrics) -> Callable[[Core, Request], Awaitable[Answer]]:
    async def answer(core: Core, request: Request) -> Answer:
        return Reply(200, metrics.text(core), "text/plain; version=0.0.4; charset=utf-8")

    return answer
