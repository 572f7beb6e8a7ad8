"""Write the tables of docs/capacity.md anew from docs/capacity.json: python -m tests.bench.capacity_paper

In: kept costs, as `fedkeys bench capacity --keep-costs docs/capacity.json` writes them. Out: its tables and
docs/capacity.svg; sentences stay, and are for whoever changes them to read again. Law: what it writes is what
`tests/test_capacity.py` holds the paper against.
"""

import re
from pathlib import Path

from fedkeys.cli.capacity import planned
from fedkeys.cli.capacity_plot import plot_plan
from fedkeys.cli.capacity_tables import Planned, Table, lever_table, tables
from fedkeys.simulate.capacity import Lever, Machine, Setting, need_of
from fedkeys.simulate.costs import Costs

DOCS = Path(__file__).parents[2] / "docs"
PROPOSED = (
    Setting(prune=1_000_000, machines=4),
    Setting(together=50, rounds=288, every=288, prune=1_000_000, machines=16),
)


def all_tables(costs: Costs) -> tuple[list[Table], list[Planned]]:
    """Give the tables of the paper, and the plan."""
    plan = planned([10**4, 10**6, 10**8], [Setting(), Setting(together=200)], Machine(), costs, 0)
    found = [*tables(costs, plan), *(lever_table(row) for row in plan if row.need.phones > 10_000)]
    for setting in PROPOSED:
        need = need_of(10**8, setting, Machine(), costs, 0)
        found.append(tables(costs, [Planned(need, [None] * 3, [Lever("none", need, None)])])[-2])
    return found, plan


def rewritten(paper: str, found: list[Table]) -> str:
    """Put new rows where the paper has a table with the same columns and as many rows, one after the other."""
    waiting: dict[tuple[tuple[str, ...], int], list[Table]] = {}
    for table in found:
        waiting.setdefault((tuple(map(str.strip, table.columns)), len(table.rows)), []).append(table)

    def anew(block: re.Match[str]) -> str:
        head, rule, *rows = block[0].strip("\n").split("\n")
        columns = tuple(cell.strip() for cell in head.strip("|").split("|"))
        tables_left = waiting.get((columns, len(rows)))
        if not tables_left:
            return block[0]
        cells = ["| " + " | ".join(cell.strip() for cell in row) + " |" for row in tables_left.pop(0).rows]
        return "\n".join([head, rule, *cells]) + "\n"

    return re.sub(r"(?:^\|.*\n)+", anew, paper, flags=re.M)


if __name__ == "__main__":
    kept = Costs.load(DOCS / "capacity.json")
    made, plan = all_tables(kept)
    path = DOCS / "capacity.md"
    path.write_text(rewritten(path.read_text(), made))
    plot_plan(plan, DOCS / "capacity.svg")
