"""`/logs/`: the log files of the node, for who may read `nodes/log`. Links that lead outside are not followed."""

from pathlib import Path

from aiohttp import web

SYSTEM_LOGS = Path("/var/log")


def routes(directory: Path = SYSTEM_LOGS) -> list[web.StaticDef]:
    return [web.static("/logs/", directory, show_index=True)] if directory.is_dir() else []
