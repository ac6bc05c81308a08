"""Tables that the server laid out, and the columns that the flags add to them.

Only cells and the metadata's labels are kept of a row, so that a list of many thousand objects stays small.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.cli.printers.tabwriter import table as laid_out


class Look(NamedTuple):
    """What the flags ask for."""

    wide: bool = False
    headers: bool = True
    namespaces: bool = False
    show_labels: bool = False
    label_columns: tuple[str, ...] = ()
    kind: str = ""
    """`deployment.apps`: names are shown as `deployment.apps/web`."""
    event: bool = False


class TableWriter:
    """Lays out one table after another; column widths are remembered from one part of a stream to the next."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._widths: list[int] = []
        self._columns: list[dict[str, Any]] = []
        self._headers = look.headers

    def render(self, table: dict[str, Any]) -> str:
        if table.get("columnDefinitions"):
            self._columns = table["columnDefinitions"]
        rows = [self._row(row) for row in table.get("rows") or ()]
        if self._headers:
            self._headers = False
            rows.insert(0, self._header())
        return laid_out(rows, self._widths)

    def _shown(self) -> list[int]:
        return [index for index, column in enumerate(self._columns) if self.look.wide or not column.get("priority")]

    def _header(self) -> list[str]:
        look = self.look
        row = ["EVENT"] if look.event else []
        if look.namespaces:
            row.append("NAMESPACE")
        row += [self._columns[index]["name"].upper() for index in self._shown()]
        row += [label_header(label) for label in look.label_columns]
        if look.show_labels:
            row.append("LABELS")
        return row

    def _row(self, row: dict[str, Any]) -> list[str]:
        look = self.look
        metadata = (row.get("object") or {}).get("metadata") or {}
        cells = [row.get("event") or ""] if look.event else []
        if look.namespaces:
            cells.append(metadata.get("namespace") or "")
        values = row.get("cells") or []
        for index in self._shown():
            text = cell_text(values[index]) if index < len(values) else ""
            if look.kind and self._columns[index].get("format") == "name":
                text = f"{look.kind}/{text}"
            cells.append(text)
        labels = metadata.get("labels") or {}
        cells += [labels.get(label, "") for label in look.label_columns]
        if look.show_labels:
            cells.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>")
        return cells


def label_header(label: str) -> str:
    return label.rpartition("/")[2].upper()


def cell_text(value: Any) -> str:
    """As Go prints it; of several lines the first."""
    if isinstance(value, str):
        for at, letter in enumerate(value):
            if letter in "\f\n\r":
                return f"{value[:at]}..."
        return value.replace("\t", "\\t") if "\t" in value else value
    return go_text(value)


def go_text(value: Any) -> str:
    """A plain value as Go's %v shows it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e21:
            return str(int(value)) if abs(value) < 1e6 else f"{value:g}"
        return repr(value)
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(go_text(item) for item in value)}]"
    return str(value)
