"""The webhooks of all configurations that speak of a write, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from sampan.apiserver.admission.matching import Selectors, rules_match
from sampan.apiserver.contracts import AdmissionAttributes


class Hook(Struct, frozen=True):
    """One webhook of a configuration."""

    configuration: str
    webhook: Any

    @property
    def name(self) -> str:
        return str(self.webhook.name)

    @property
    def seconds(self) -> float:
        return float(self.webhook.timeoutSeconds or 10)

    @property
    def may_fail(self) -> bool:
        return bool(self.webhook.failurePolicy == "Ignore")

    @property
    def reinvoked(self) -> bool:
        return getattr(self.webhook, "reinvocationPolicy", None) == "IfNeeded"

    @property
    def knows_dry_runs(self) -> bool:
        return self.webhook.sideEffects in ("None", "NoneOnDryRun")

    @property
    def version(self) -> str:
        """Of the review: the first that both know."""
        return next((v for v in self.webhook.admissionReviewVersions if v in ("v1", "v1beta1")), "v1")


def matching(configurations: list[Any], attributes: AdmissionAttributes, selectors: Selectors) -> Iterator[Hook]:
    """By the names of the configurations, and within one as they stand there."""
    for configuration in sorted(configurations, key=lambda c: c.metadata.name or ""):
        for webhook in configuration.webhooks or ():
            exact = webhook.matchPolicy == "Exact"
            if not rules_match(webhook.rules, attributes, exact=exact):
                continue
            if selectors.match(attributes, webhook.namespaceSelector, webhook.objectSelector):
                yield Hook(configuration.metadata.name or "", webhook)
