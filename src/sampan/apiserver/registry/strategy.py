"""The contract of a kind: one `Strategy` per built-in resource, on typed objects, without I/O.

A write passes through it in this order (the handlers own the order, see `apiserver/chain.py`):

    create   default → prepare_for_create → (admission, allocation) → after_admission → validate → warnings
    update   default → prepare_for_update → (admission, allocation) → validate_update → warnings
    status   default → prepare_for_status_update → validate_status_update

Reads need `cells` (tables) and `selectable_fields` (field selectors). Kinds that are served in two versions but stored
once (HorizontalPodAutoscaler, Event) convert in `to_storage` and `from_storage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.empties import drop_empty_of_object
from sampan.apiserver.registry.field import Errors

if TYPE_CHECKING:
    from sampan.api.types.autoscaling_v1 import Scale


class Column(Struct, frozen=True):
    """One column of a server-side printed table."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class WriteContext(Struct, frozen=True, kw_only=True):
    """What a kind may know of the request that writes it."""

    now: datetime
    namespace: str = ""
    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    dry_run: bool = False


NAME = Column("Name", "string", "name", "Name of the object, unique among its kind in its namespace.")
AGE = Column("Age", "string", "", "Time since the object was created.")
CREATED_AT = Column("Created At", "date", "", "Time at which the object was created.")


class Strategy:
    """A kind without rules of its own: schema, metadata, generation of `spec`, status apart. Kinds override."""

    columns: ClassVar[tuple[Column, ...]] = (NAME, CREATED_AT)
    # Field selectors that are served, beyond metadata.name and metadata.namespace.
    field_labels: ClassVar[frozenset[str]] = frozenset()
    # Older names of field labels: {"spec.host": "spec.nodeName"}.
    field_aliases: ClassVar[dict[str, str]] = {}
    # The field whose exact value most watches of the kind ask for: only they are told of a write.
    indexed_field: ClassVar[str] = ""
    # PUT of a missing object creates it.
    allow_create_on_update: ClassVar[bool] = False
    # PUT without a resourceVersion overwrites what is there.
    allow_unconditional_update: ClassVar[bool] = True
    # metadata.generation counts changes of these top-level fields ("spec"); empty: the kind has no generation.
    generation_fields: ClassVar[tuple[str, ...]] = ()
    # What a delete without propagationPolicy does to dependents: "Background" or "Orphan".
    default_propagation: ClassVar[str] = "Background"
    # Top-level fields that a write cannot set, per endpoint: managedFields leave them out.
    reset_fields: ClassVar[tuple[str, ...]] = ()
    status_reset_fields: ClassVar[tuple[str, ...]] = ()
    # Custom resources and their definitions: metadata may hold finalizers of any name.
    custom: ClassVar[bool] = False

    def __init__(self, info: ResourceInfo) -> None:
        self.info = info
        kind = info.type
        self.has_status = bool(kind) and info.subresource("status") is not None

    # --- writing -----------------------------------------------------------------------------------------------

    def default(self, obj: Any) -> None:
        """Drop what says nothing, fill Kubernetes' defaults in, write quantities in canonical form. Idempotent."""
        drop_empty_of_object(obj)
        self.set_defaults(obj)

    def set_defaults(self, obj: Any) -> None:
        """A kind's own defaults."""

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        """Drop what a client may not set at birth."""
        if self.has_status:
            obj.status = type(obj.status)() if obj.status is not None else None
        if self.generation_fields:
            obj.metadata.generation = 1

    def after_admission(self, obj: Any) -> None:
        """On create, between mutating admission and validation: what follows from fields that admission may set."""

    def prepare_for_update(self, obj: Any, old: Any) -> None:
        """Keep what only others may write, and count the generation."""
        if self.has_status:
            obj.status = old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: Any, old: Any) -> None:
        """The status endpoint: everything but status (and metadata that status writers may touch) stays as it was."""
        if hasattr(obj, "spec"):
            obj.spec = old.spec
        self.keep_metadata(obj, old)

    def count_generation(self, obj: Any, old: Any) -> None:
        """Clients do not write the generation: it stays, or goes one up where the kind counts."""
        generation = old.metadata.generation
        if self.generation_fields and any(getattr(obj, f) != getattr(old, f) for f in self.generation_fields):
            generation = (generation or 0) + 1
        obj.metadata.generation = generation

    def keep_metadata(self, obj: Any, old: Any) -> None:
        """For status writes: metadata stays open unless a kind closes parts of it."""
        obj.metadata.generation = old.metadata.generation

    def validate(self, obj: Any) -> Errors:
        """Every violation of a new object. The object has been defaulted."""
        errors = meta.validate_object_meta(obj.metadata, namespaced=self.info.namespaced, name_rule=self.validate_name)
        self.validate_spec(obj, errors)
        return errors

    def validate_update(self, obj: Any, old: Any) -> Errors:
        """Every violation of a changed object: its own rules, and what may not change."""
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata, custom=self.custom)
        self.validate_spec(obj, errors)
        self.validate_change(obj, old, errors)
        return errors

    def validate_status_update(self, obj: Any, old: Any) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata, custom=self.custom)
        self.validate_status(obj, old, errors)
        return errors

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        """A kind's own rules, at birth and on change."""

    def validate_change(self, obj: Any, old: Any, errors: Errors) -> None:
        """A kind's rules on what may change."""

    def validate_status(self, obj: Any, old: Any, errors: Errors) -> None:
        """A kind's rules on its status."""

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        """What is wrong with a name (`prefix`: a generateName)."""
        return meta.subdomain_name(name, prefix)

    def warnings(self, obj: Any, old: Any | None) -> list[str]:
        """Texts for `Warning` headers; `old` is None on create."""
        return []

    # --- deleting ----------------------------------------------------------------------------------------------

    def grace_period(self, obj: Any, requested: int | None) -> int:
        """Seconds between the delete and the end; 0: at once (finalizers permitting)."""
        return 0

    def before_delete(self, obj: Any) -> None:
        """Called once when an object starts to be deleted but stays (grace, finalizers)."""

    def holds(self, obj: Any) -> bool:
        """Whether something beside metadata.finalizers keeps the object (a Namespace's spec.finalizers)."""
        return False

    # --- reading -----------------------------------------------------------------------------------------------

    def selectable_fields(self, obj: Any) -> dict[str, str]:
        """Field label → value, for field selectors. Labels beyond `field_labels` are refused by the handler."""
        meta_ = obj.metadata
        if self.info.namespaced:
            return {"metadata.name": meta_.name or "", "metadata.namespace": meta_.namespace or ""}
        return {"metadata.name": meta_.name or ""}

    def supports_field(self, label: str) -> bool:
        if label in ("metadata.name", "metadata.namespace"):
            return True
        return self.field_aliases.get(label, label) in self.field_labels

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        """One row of a table, in the order of `columns`."""
        return [obj.metadata.name or "", obj.metadata.creationTimestamp or "<unknown>"]

    def row_conditions(self, obj: Any) -> list[dict[str, str]]:
        """Conditions of a table row (`Completed` Pods and Jobs), which clients may fold away."""
        return []

    # --- versions ----------------------------------------------------------------------------------------------

    @property
    def storage_info(self) -> ResourceInfo:
        """The resource whose type and key the store holds."""
        return self.info

    def to_storage(self, obj: Any) -> Any:
        return obj

    def from_storage(self, stored: Any) -> Any:
        return stored

    # --- scale -------------------------------------------------------------------------------------------------

    def scale_of(self, obj: Any) -> Scale:
        """The object as autoscaling/v1 Scale."""
        raise NotImplementedError(f"{self.info.kind} has no scale")

    def apply_scale(self, obj: Any, scale: Scale) -> None:
        """Write the wanted size into the object (validate the Scale first)."""
        raise NotImplementedError(f"{self.info.kind} has no scale")

    # --- other subresources that write the object --------------------------------------------------------------

    def prepare_for_subresource_update(self, subresource: str, obj: Any, old: Any) -> None:
        """`finalize`, `approval`, `ephemeralcontainers`, `resize`: keep all but what the subresource is for."""
        raise NotImplementedError(f"{self.info.kind} has no {subresource}")

    def validate_subresource_update(self, subresource: str, obj: Any, old: Any) -> Errors:
        raise NotImplementedError(f"{self.info.kind} has no {subresource}")


_STRATEGIES: dict[tuple[str, str, str], Strategy] = {}
# (group's first word, kind) → module, where a file holds several kinds.
_HOMES: dict[tuple[str, str], str] = {
    ("rbac", "ClusterRole"): "rbac.role",
    ("rbac", "ClusterRoleBinding"): "rbac.rolebinding",
    **{("storage", kind): "storage.csi" for kind in (
        "CSIDriver", "CSINode", "CSIStorageCapacity", "VolumeAttachment", "VolumeAttributesClass",
    )},
    **{("networking", kind): "networking.addresses" for kind in ("IPAddress", "ServiceCIDR")},
    **{("admissionregistration", kind): "admissionregistration.webhooks" for kind in (
        "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
    )},
    **{("admissionregistration", kind): "admissionregistration.policies" for kind in (
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    )},
    **{("resource", kind): "resource.devices" for kind in (
        "DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice",
    )},
}  # fmt: skip


def home(group: str, kind: str) -> str:
    """The module that holds a kind: `core.pod`."""
    room = group.split(".", 1)[0] or "core"
    return _HOMES.get((room, kind), f"{room}.{kind.lower()}")


def strategy_for(info: ResourceInfo) -> Strategy:
    """The strategy of a built-in resource; its module is imported when first asked for."""
    key = (info.group, info.version, info.resource)
    found = _STRATEGIES.get(key)
    if found is None:
        found = _STRATEGIES[key] = _build(info)
    return found


def _build(info: ResourceInfo) -> Strategy:
    name = f"sampan.apiserver.registry.{home(info.group, info.kind)}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return Strategy(info)
    maker: Callable[[ResourceInfo], Strategy] = getattr(module, f"{info.kind}Strategy", Strategy)
    return maker(info)


def strategy_of_kind(api_version: str, kind: str) -> Strategy | None:
    """By the words of a manifest."""
    info = BUILT_IN_SCHEME.kind_of(api_version, kind)
    return strategy_for(info) if info else None
