"""The page that lists kubectl's verbs and flags is true."""

from tests.integration.cli import surface


def test_the_page_is_up_to_date() -> None:
    assert surface.PAGE.read_text() == surface.page(), "run: python -m tests.integration.cli.surface"


def test_no_verb_of_the_issue_is_missing() -> None:
    gone = [row.verb for row in surface.rows(surface.known()) if not row.there]
    assert not gone


def test_every_verb_is_compared_with_kubectls() -> None:
    groups = {"apply", "auth", "config", "create", "rollout", "set", "top", "certificate", "plugin"}
    bare = [row.verb for row in surface.rows(surface.known()) if row.there and not row.lines and row.verb not in groups]
    assert not bare
