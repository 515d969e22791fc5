"""What `/metrics` says."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


async def samples(client: httpx2.AsyncClient) -> dict[tuple[str, Labels], float]:
    """Return the value of each sample, by its name and labels."""
    response = await client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
