"""What loading and checking a workspace costs per mapping file, beside ruamel reading the same
files and libyaml only composing their nodes, in one run.

Run with `python -m bench.check`. The files differ, so that nothing is found in a cache.
"""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Mapping

import yaml
from ruamel.yaml import YAML

from bench._ticket import MAPPING
from connectors.sdk import Connector
from hub.registry import connector_classes
from hub.workspace import load

FILES = 200
HUB = """\
name: bench
timezone: Europe/Zurich
connections:
  desk:
    connector: webhook
    scheme: standard-webhooks
    webhook: {unsigned: true}
    objects:
"""


def workspace(seed: int) -> dict[str, str]:
    """hub.yaml with an object per mapping, and the mappings: 20 fields each, with different names
    and paths.
    """
    objects = "".join(f"      ticket{number}: {{id: $.id}}\n" for number in range(FILES))
    files = {"hub.yaml": HUB + objects}
    for number in range(FILES):
        text = MAPPING.replace("mapping: bench-ticket", f"mapping: ticket{number}")
        text = text.replace("object: ticket", f"object: ticket{number}")
        # the same length, and other names: nothing was read before
        files[f"mappings/ticket{number}.yaml"] = text.replace("$.ticket.", f"$.t{seed}{number:04}.")
    return files


def checked(files: Mapping[str, str], connectors: Mapping[str, type[Connector]]) -> None:
    """What `hub check` does with the text of a workspace. Stops if it finds an error."""
    loaded = load(files, connectors, {})
    if loaded.workspace is None or len(loaded.workspace.mappings) != FILES:
        raise SystemExit("\n".join(found.with_caret() for found in loaded.errors[:10]))


def measure(rounds: int = 3) -> dict[str, float]:
    """Milliseconds per file of each way; the best of some rounds, each with files of its own."""
    connectors = connector_classes()
    ruamel = YAML(typ="rt")  # the one that keeps comments, as an editor of files needs

    def mappings(files: Mapping[str, str]) -> list[str]:
        return [text for name, text in files.items() if name.startswith("mappings/")]

    ways: dict[str, Callable[[Mapping[str, str]], object]] = {
        "libyaml, nodes only": lambda files: [
            yaml.compose(text, Loader=yaml.CSafeLoader) for text in mappings(files)
        ],
        "ours, loaded and checked": lambda files: checked(files, connectors),
        "ruamel, read only": lambda files: [
            ruamel.load(io.StringIO(text)) for text in mappings(files)[: FILES // 10]
        ],
    }
    share = {"ruamel, read only": 10}
    best = dict.fromkeys(ways, float("inf"))
    for seed in range(rounds):
        files = workspace(seed)
        for name, work in ways.items():
            gc.collect()
            start = time.perf_counter()
            work(files)
            took = (time.perf_counter() - start) * share.get(name, 1)
            best[name] = min(best[name], took / FILES * 1000)
    return best


def main() -> None:
    """Print each way per file, and the whole workspace."""
    took = measure()
    size = len(workspace(0)["mappings/ticket0.yaml"])
    print(f"{FILES} mapping files of {size / 1000:.1f} kB and 20 fields, one core")
    ours = took["ours, loaded and checked"]
    for name, milliseconds in took.items():
        print(f"{name:28}{milliseconds:8.2f} ms a file {milliseconds / ours:7.2f} x ours")
    print(f"the workspace is loaded and checked in {ours * FILES / 1000:.2f} s")


if __name__ == "__main__":
    main()
