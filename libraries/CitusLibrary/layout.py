"""Keywords about nodes, tables, shards and their sizes."""

from __future__ import annotations

from robot.api.deco import keyword

from CitusLibrary import catalog, entries, storage, topology
from CitusLibrary.findings import require
from CitusLibrary.namespaces import Namespace, one_for_each_shard
from CitusLibrary.nodes import nodes, workers
from CitusLibrary.storage import TableSize
from CitusLibrary.topology import Check, NodeVersion, Placement, Shard, TableEntry
from CitusLibrary.written import Written
from EnvironmentLibrary.context import record_value


class LayoutKeywords:
    """See `CitusLibrary`."""

    written: Written

    @keyword(tags=["citus", "layout"])
    def citus_versions_of_every_node_are_read(self) -> list[NodeVersion]:
        """Read on every node the version of the extension and of the library it has loaded."""
        return catalog.versions()

    @keyword(tags=["citus", "layout"])
    def every_node_should_have_citus(self, versions: list[NodeVersion]) -> None:
        """Fail unless every node has the extension, and a library of Citus loaded."""
        require(topology.extension_problems(versions), f"{len(versions)} nodes")

    @keyword(tags=["citus", "layout"])
    def all_citus_versions_should_be_equal(self, versions: list[NodeVersion]) -> None:
        """Fail unless all nodes have the same extension version, and the library that belongs to it."""
        require(topology.version_problems(versions), f"{len(versions)} nodes")

    @keyword(tags=["citus", "layout"])
    def active_workers_are_listed(self) -> list[str]:
        """Return the workers the coordinator counts as active; it does so whether they are alive or not."""
        return catalog.active_workers()

    @keyword(tags=["citus", "layout"])
    def active_workers_should_be_those_of_the_environment(self, active: list[str]) -> None:
        """Fail unless the active workers are those that the environment has, no more and no fewer."""
        expected = [worker.name for worker in workers()]
        require(topology.active_problems(active, expected), f"{len(active)} active workers, {len(expected)} expected")

    @keyword(tags=["citus", "layout"])
    def every_node_tries_to_reach_every_node(self) -> list[Check]:
        """Let each node open a connection to each node, itself included."""
        return catalog.health()

    @keyword(tags=["citus", "layout"])
    def every_node_should_have_reached_every_node(self, checks: list[Check]) -> None:
        """Fail unless all connections between nodes came about."""
        names = [node.name for node in nodes()]
        require(topology.reach_problems(checks, names), f"{len(checks)} connections between {len(names)} nodes")

    @keyword(tags=["citus", "layout"])
    def every_node_is_asked_for_its_tables(self) -> list[TableEntry]:
        """Read on every node what it knows of the tables: Citus keeps that knowledge on workers, too."""
        return catalog.tables()

    @keyword(tags=["citus", "layout"])
    def table_should_be_distributed(self, table: str, *, column: str, known: list[TableEntry]) -> None:
        """Fail unless every node knows the table as distributed by a column.

        Args:
            table: its name.
            column: what its rows are spread by.
            known: of `Every Node Is Asked For Its Tables`.
        """
        names = [node.name for node in nodes()]
        require(topology.distribution_problems(known, names, table, column), f"{len(names)} nodes")

    @keyword(tags=["citus", "layout"])
    def table_should_be_a_reference_table(self, table: str, *, known: list[TableEntry]) -> None:
        """Fail unless every node knows the table as a reference table."""
        names = [node.name for node in nodes()]
        require(topology.reference_problems(known, names, table), f"{len(names)} nodes")

    @keyword(tags=["citus", "layout"])
    def tables_should_be_colocated(self, *tables: str) -> None:
        """Fail unless the tables are in one colocation group: rows of one namespace lie on one node."""
        require(topology.colocation_problems(catalog.tables(), tables), f"{len(tables)} tables on every node")

    @keyword(tags=["citus", "layout"])
    def shards_are_listed(self) -> list[Shard]:
        """Read all shards and the part of the hash range each holds."""
        return catalog.shards()

    @keyword(tags=["citus", "layout"])
    def table_should_have_shards(self, table: str, *, number: int, shards: list[Shard]) -> None:
        """Fail unless the table has so many shards."""
        record_value("shards of a distributed table", sum(shard.table == table for shard in shards), "shards")
        require(topology.count_problems(shards, table, number), f"{len(shards)} shards of all tables")

    @keyword(tags=["citus", "layout"])
    def shards_should_cover_all_hashes(self, table: str, *, shards: list[Shard]) -> None:
        """Fail unless the table's shards cover all 32-bit hashes without a gap or an overlap."""
        require(topology.coverage_problems(shards, table), f"{sum(s.table == table for s in shards)} shards")

    @keyword(tags=["citus", "layout"])
    def placements_are_listed(self) -> list[Placement]:
        """Read where the coordinator believes each shard to be."""
        return catalog.placements()

    @keyword(tags=["citus", "layout"])
    def shards_should_be_spread_evenly(self, table: str, *, placements: list[Placement]) -> None:
        """Fail unless each shard has one active placement, and all workers have the same number, give or take one."""
        names = [worker.name for worker in workers()]
        require(topology.spread_problems(placements, table, names), f"{len(placements)} placements of all tables")

    @keyword(tags=["citus", "layout"])
    def table_should_be_on_every_node(self, table: str, *, placements: list[Placement]) -> None:
        """Fail unless each node, the coordinator too, has one active copy of the table."""
        names = [node.name for node in nodes()]
        require(topology.copy_problems(placements, table, names), f"{len(placements)} placements of all tables")

    @keyword(tags=["citus", "layout"])
    def placements_should_exist_on_their_nodes(self, placements: list[Placement]) -> None:
        """Fail unless each placement is a table on its node, and each shard's table on a node is a placement."""
        found = catalog.relations()
        sample = f"{len(found)} shards' tables on {len(nodes())} nodes"
        require(storage.presence_problems(placements, found), sample)

    @keyword(tags=["citus", "layout"])
    def every_shard_is_filled(self, *, shards: int, value_bytes: int) -> list[Namespace]:
        """Write one memory entry to each shard.

        Args:
            shards: how many there are.
            value_bytes: length of each value, incompressible text.
        """
        places = self.written.namespaces(one_for_each_shard("size", shards))
        entries.insert_entries([(place.name, "filling", entries.noise(value_bytes)) for place in places])
        return places

    @keyword(tags=["citus", "layout"])
    def table_and_shards_are_measured(self, table: str) -> TableSize:
        """Measure a table in three ways at one time: as the coordinator says, and in its shards on the workers."""
        return catalog.table_size(table)

    @keyword(tags=["citus", "layout"])
    def shard_sizes_should_add_up(self, size: TableSize) -> None:
        """Fail unless the coordinator's size, its list of shards and the shards' tables on the workers agree."""
        require(storage.sum_problems(size), f"{len(size.relations)} shards' tables, {size.total} bytes")

    @keyword(tags=["citus", "layout"])
    def every_shard_should_hold(self, size: TableSize, *, places: list[Namespace], value_bytes: int) -> None:
        """Fail unless the table of each shard is at least as large as what was written to it."""
        filled = {place.relation: value_bytes for place in places}
        require(storage.filled_problems(size, filled), f"{len(filled)} shards, {value_bytes} bytes written to each")
