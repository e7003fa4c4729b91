"""The files that set Prometheus and Grafana up for Millstream, by their place in a folder.

out     ``prometheus/`` with a configuration and the rules, ``grafana/`` with the dashboard and what
        provisions it; ``millstream metrics write DIR`` writes them, ``ops/`` of the repository is
        that folder
"""

from __future__ import annotations

from pathlib import Path

from millstream.serve.metrics import grafana, rules


def files() -> dict[str, str]:
    """Return the text of each file."""
    return {
        "prometheus/prometheus.yml": rules.scrape_config(),
        f"prometheus/{rules.RULES_FILE}": rules.rules(),
        "grafana/dashboards/millstream.json": grafana.dashboard(),
        "grafana/provisioning/dashboards/millstream.yaml": grafana.provider(),
        "grafana/provisioning/datasources/prometheus.yaml": grafana.data_source(),
    }


def write(folder: Path) -> list[Path]:
    """Write them below a folder, over what is there; returns their places."""
    places = []
    for name, text in files().items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        places.append(place)
    return places
