"""The declaration of a vendor's folder: ``VENDOR`` in ``vendors/NAME/vendor.py``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from order_relay.connections import Connection
from order_relay.http.connection_settings import ConnectionSettings

if TYPE_CHECKING:
    from order_relay.orders.schema.validator import VendorFormat

Role = Literal["source", "destination", "status_source"]
"""The ports of ``pipeline.ports`` and ``StatusSource`` that a vendor may implement."""


@dataclass(frozen=True)
class Vendor:
    """What the rest of the package needs to know of a vendor. Its clients are imported on first use.

    ``package``: the folder's package, ``__package__`` in its ``vendor.py``. ``title``: its name in Airflow's UI.
    ``source``, ``destination``, ``status_source``: for each role that it has, ``"module:name"`` of a class or function
    of this folder that takes the settings and the ``VendorFormat``. ``reads_files``: the source reads the orders of a
    delivered file (``Selection.file``), and only history imports use it. ``schema``, ``mapping``: files of this format.
    ``import_schema``, ``import_mapping``: those of the destination, if the vendor is a source as well.
    Other modules of the folder are optional: ``access`` (requests by users' tasks and the *Test* button), ``probes``
    (checks of ``order-relay doctor``).
    """

    package: str
    title: str
    settings: type[ConnectionSettings]
    source: str = ""
    destination: str = ""
    status_source: str = ""
    schema: str = "order.schema.json"
    mapping: str = "mapping.yaml"
    import_schema: str = ""
    import_mapping: str = ""
    reads_files: bool = False

    @property
    def name(self) -> str:
        """The name of the folder, which is the connection type and the vendor in pipeline files."""
        return self.package.rpartition(".")[2]

    def form(self) -> dict[str, Any]:
        """Airflow's connection form; ``extra`` holds a JSON Schema fragment for each extra field."""
        return {"connection_type": self.name, "name": self.title, **self.settings.form()}

    def format(self, role: Role = "source") -> VendorFormat:
        """The schema and the mapping of a role. Raises ``ConfigurationError``."""
        from order_relay.orders.schema.validator import VendorFormat

        folder = Path(import_module(self.package).__path__[0])
        schema, mapping = self.schema, self.mapping
        if role == "destination":
            schema, mapping = self.import_schema or schema, self.import_mapping or mapping
        return VendorFormat.load(folder / schema, folder / mapping)

    def account(self, role: Role, connection: Connection) -> Any:
        """The account of a connection, in a role that the vendor has.

        Raises ``ConfigurationError`` that names connection and field.
        """
        settings = self.settings.from_connection(connection)
        module, _, name = getattr(self, role).partition(":")
        return getattr(import_module(f"{self.package}.{module}"), name)(settings, self.format(role))
