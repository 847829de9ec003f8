"""dlt as a peer of the bench of pulling: its `rest_api` source into DuckDB or SQLite.

`python bench/_pull_dlt.py DESTINATION DISPOSITION URL PAGE FOLDER`, run by the Python of the peers'
own environment; the last line is what it found, as JSON. Set for speed: two processes normalize,
on two cores, Parquet is written for DuckDB, nested lists stay one column instead of a table of
their own, names stay as they are, files on the way are not compressed, nothing is told of progress.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__START_METHOD": "spawn",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "25000",
    "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "25000",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "5000",
    "LOAD__WORKERS": "1",
    "SCHEMA__NAMING": "direct",
    "SOURCES__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}
WAYS: dict[str, Any] = {"merge": {"disposition": "merge", "strategy": "delete-insert"}}


def source(url: str, page: int, disposition: str) -> Any:
    """The list of tickets by its cursor, from the newest change that is stored."""
    from dlt.sources.rest_api import rest_api_source

    return rest_api_source(
        {
            "client": {"base_url": url},
            "resources": [
                {
                    "name": "tickets",
                    "primary_key": "id",
                    "write_disposition": WAYS.get(disposition, disposition),
                    "max_table_nesting": 0,
                    "endpoint": {
                        "path": "tickets",
                        "params": {"limit": page},
                        "data_selector": "tickets",
                        "paginator": {
                            "type": "cursor",
                            "cursor_path": "next",
                            "cursor_param": "after",
                        },
                        "incremental": {
                            "start_param": "updated_since",
                            "cursor_path": "updated_at",
                            "initial_value": "2000-01-01T00:00:00.000Z",
                            "row_order": "asc",
                        },
                    },
                }
            ],
        }
    )


def pull(destination: str, disposition: str, url: str, page: int, folder: Path) -> int:
    """Pull what changed; how many tickets the table holds then."""
    import dlt

    if destination == "duckdb":
        place = dlt.destinations.duckdb(str(folder / "peer.duckdb"))
        format = "parquet"
    else:
        place = dlt.destinations.sqlalchemy(f"sqlite:///{folder / 'peer.db'}")
        format = "typed-jsonl"
    pipeline = dlt.pipeline("bench", str(folder / "pipelines"), None, place, None, "desk")
    pipeline.run(source(url, page, disposition), loader_file_format=format).raise_on_failed_jobs()
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT count(*) FROM tickets")
        return int(found[0][0])


def _cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    import dlt.sources.rest_api  # noqa: F401 - what takes long to import is not measured

    began, cpu = time.perf_counter(), _cpu()
    kept = pull(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
    print(
        json.dumps(
            {
                "rows": kept,
                "seconds": time.perf_counter() - began,
                "cpu": _cpu() - cpu,
                "peak": max(
                    resource.getrusage(who).ru_maxrss / 1024
                    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
                ),
            }
        )
    )
