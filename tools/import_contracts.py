"""Import contracts beside import-linter's own: who may import what, and by which door a room is entered."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grimp import ImportGraph


class _DirectImportsContract(Contract):  # type: ignore[misc, unused-ignore]
    """A contract that looks at direct imports one by one and names every offending line."""

    advice = ""

    def is_allowed(self, importer: str, imported: str) -> bool:
        """Whether one direct import is fine."""
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 -- import-linter's signature
        """Collect the imports that are not."""
        del verbose
        wrong = [
            detail
            for importer in sorted(graph.modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self.is_allowed(importer, imported)
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import with its line, and say what to do instead."""
        wrong: Iterable[dict[str, Any]] = check.metadata["wrong"]
        for item in wrong:
            output.print_error(f"{item['importer']} -> {item['imported']} (line {item['line_number']})", bold=False)
            output.print_error(f"    {item['line_contents'].strip()}", bold=False)
        output.print_error(f"{self.advice}\n", bold=False)


class OnlyImports(_DirectImportsContract):
    """A package imports itself, the standard library and the listed packages, and nothing else."""

    type_name = "only_imports"
    advice = "What is installed beside this package stays small: do without, or widen the list with its reason."
    package = fields.StringField()
    allowed = fields.SetField(subfield=fields.StringField(), required=False)

    def is_allowed(self, importer: str, imported: str) -> bool:
        """Judge by the imported module's top name."""
        package = str(self.package)
        if not _inside(importer, package):
            return True
        top = imported.partition(".")[0]
        return top == package or top in sys.stdlib_module_names or top in _texts(self.allowed)


class OnlyImporters(_DirectImportsContract):
    """The listed packages are imported by modules of the given names only."""

    type_name = "only_importers"
    advice = "SQL lives in a room's store.py and queries.sql; take a Connection of strongroom.infra.database instead."
    imported = fields.SetField(subfield=fields.StringField())
    package = fields.StringField()
    within = fields.SetField(subfield=fields.StringField())
    names = fields.SetField(subfield=fields.StringField())

    def is_allowed(self, importer: str, imported: str) -> bool:
        """Judge by the importer's place and last name."""
        if imported.partition(".")[0] not in _texts(self.imported) or not _inside(importer, str(self.package)):
            return True
        named = importer.rpartition(".")[2] in _texts(self.names)
        return named or any(_inside(importer, place) for place in _texts(self.within))


class Doors(_DirectImportsContract):
    """A room is entered from outside by its doors only; processes have one more."""

    type_name = "doors"
    advice = "From outside, a room is its model, service and errors (processes also: jobs). Ask its service instead."
    container = fields.StringField()
    not_rooms = fields.SetField(subfield=fields.StringField())
    doors = fields.SetField(subfield=fields.StringField())
    processes = fields.SetField(subfield=fields.StringField())
    process_doors = fields.SetField(subfield=fields.StringField())
    open_packages = fields.SetField(subfield=fields.StringField(), required=False)

    def is_allowed(self, importer: str, imported: str) -> bool:
        """Judge imports from another room (or from no room) into a room."""
        prefix = f"{self.container}."
        if not imported.startswith(prefix):
            return True
        room, _, inner = imported.removeprefix(prefix).partition(".")
        home = importer.removeprefix(prefix).partition(".")[0] if importer.startswith(prefix) else ""
        if not inner or room == home or room in _texts(self.not_rooms):
            return True
        if any(_inside(imported, package) for package in _texts(self.open_packages)):
            return True
        door = inner.rpartition(".")[2]
        return door in _texts(self.doors) or (home in _texts(self.processes) and door in _texts(self.process_doors))


def _texts(field: object) -> frozenset[str]:
    """Return the texts of an option; import-linter puts values where the class declares fields."""
    return frozenset(cast("Iterable[str]", field or ()))


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
