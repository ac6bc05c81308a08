"""Paths inside volumes: relative, and never upwards."""

from __future__ import annotations

from sampan.apiserver.registry.field import Errors

MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def no_backsteps(target: str, path: str, errors: Errors) -> bool:
    if ".." in target and ".." in target.split("/"):
        errors.invalid(path, target, "must not contain '..'")
        return False
    return True


def local_descending(target: str, path: str, errors: Errors) -> None:
    if target.startswith("/"):
        errors.invalid(path, target, "must be a relative path")
    no_backsteps(target, path, errors)


def local_non_reserved(target: str, path: str, errors: Errors) -> None:
    local_descending(target, path, errors)
    if target.startswith("..") and not target.startswith("../"):
        errors.invalid(path, target, "must not start with '..'")


def file_mode(mode: int | None, path: str, errors: Errors) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.invalid(path, mode, MODE)
