"""`create configmap` and `create secret generic | tls | docker-registry`."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.flags import Flag
from sampan.cli.generate import data
from sampan.cli.making import MAKING, make, said_namespace, the_name

SOURCES = (
    Flag("from-file", "array", usage="a file, key=file, or a folder of files"),
    Flag("from-literal", "array", usage="key=value"),
    Flag("from-env-file", "array", usage="a file of key=value lines"),
    Flag("append-hash", "bool", usage="add a hash of the data to the name"),
)


def _config_map(call: Invocation) -> None:
    flags = call.flags
    made = data.config_map(
        the_name(call),
        namespace=said_namespace(call),
        literals=flags["from-literal"],
        files=flags["from-file"],
        env_files=flags["from-env-file"],
        append_hash=flags["append-hash"],
    )
    make(call, made, failing="failed to create configmap: ")


def _generic(call: Invocation) -> None:
    flags = call.flags
    made = data.secret(
        the_name(call),
        flags["type"],
        namespace=said_namespace(call),
        literals=flags["from-literal"],
        files=flags["from-file"],
        env_files=flags["from-env-file"],
        append_hash=flags["append-hash"],
    )
    make(call, made, failing="failed to create secret ")


def _tls(call: Invocation) -> None:
    flags = call.flags
    made = data.tls_secret(
        the_name(call), flags["cert"], flags["key"], namespace=said_namespace(call), append_hash=flags["append-hash"]
    )
    make(call, made, failing="failed to create secret ")


def _registry(call: Invocation) -> None:
    flags = call.flags
    made = data.registry_secret(
        the_name(call),
        namespace=said_namespace(call),
        server=flags["docker-server"],
        username=flags["docker-username"],
        password=flags["docker-password"],
        email=flags["docker-email"],
        files=flags["from-file"],
        append_hash=flags["append-hash"],
    )
    make(call, made, failing="failed to create secret ")


CONFIG_MAP = Command(
    path="create configmap",
    run=_config_map,
    flags=(*MAKING, *SOURCES),
    summary="Create a ConfigMap from files, folders or literals.",
    usage="NAME [--from-file=[key=]source] [--from-literal=key1=value1]",
)
GENERIC = Command(
    path="create secret generic",
    run=_generic,
    flags=(*MAKING, *SOURCES, Flag("type", usage="the Secret's type")),
    summary="Create a Secret from files, folders or literals.",
    usage="NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1]",
)
TLS = Command(
    path="create secret tls",
    run=_tls,
    flags=(*MAKING, SOURCES[3], Flag("cert", usage="the certificate's file"), Flag("key", usage="the key's file")),
    summary="Create a Secret of a certificate and its key.",
    usage="NAME --cert=path/to/cert/file --key=path/to/key/file",
)
REGISTRY = Command(
    path="create secret docker-registry",
    run=_registry,
    flags=(
        *MAKING,
        SOURCES[0],
        SOURCES[3],
        Flag("docker-server", default="https://index.docker.io/v1/", usage="the registry"),
        Flag("docker-username", usage="the user"),
        Flag("docker-password", usage="the password"),
        Flag("docker-email", usage="the e-mail address"),
    ),
    summary="Create a Secret for a registry.",
    usage="NAME --docker-username=user --docker-password=password [--docker-server=string]",
)
SECRET = Command(
    path="create secret",
    summary="Create a Secret of a type.",
    usage="(docker-registry | generic | tls)",
    subcommands={"docker-registry": REGISTRY, "generic": GENERIC, "tls": TLS},
)
