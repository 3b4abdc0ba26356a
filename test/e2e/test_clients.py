# SPDX-License-Identifier: Apache-2.0
"""The official Python client, unchanged: the same scenario directly and through Sextant gives the same answers."""
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from sextant import PLACES  # noqa: F401  (the edge's regions)


def plain(value):
    """Answers without what differs by design: times, operation numbers, scores' last digits."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in ("time", "operation_id", "version", "creation_time",
                                                                   "name", "checksum", "size", "segments_count")}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def scenario(client):
    """Most of what the client can do, as a list of answers."""
    said = []
    note = said.append
    note(client.collection_exists("books"))
    note(client.create_collection("books", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE)))
    note(client.create_payload_index("books", "city", models.PayloadSchemaType.KEYWORD))
    note(client.upsert("books", [models.PointStruct(id=i, vector=[i, 1, 0.5, 0.25], payload={"n": i, "city": "AB"[i % 2]})
                                 for i in range(1, 30)], wait=True))
    note(client.retrieve("books", [3, 5, 99], with_vectors=True))
    note(client.count("books"))
    note(client.scroll("books", limit=7))
    only_a = models.Filter(must=[models.FieldCondition(key="city", match=models.MatchValue(value="A"))])
    note(client.scroll("books", scroll_filter=only_a, limit=3))
    note(client.query_points("books", query=[1, 1, 0.5, 0.25], limit=3, with_payload=True))
    note(client.query_points("books", query=5, limit=3, query_filter=only_a))
    note(client.query_batch_points("books", [models.QueryRequest(query=[1, 0, 0, 0], limit=2),
                                             models.QueryRequest(query=[0, 1, 0, 0], limit=2)]))
    note(client.query_points_groups("books", query=[1, 1, 1, 1], group_by="city", limit=2, group_size=2))
    note(client.facet("books", "city"))
    note(client.set_payload("books", {"seen": True}, points=[1, 2], wait=True))
    note(client.overwrite_payload("books", {"only": 1}, points=[3], wait=True))
    note(client.delete_payload("books", ["seen"], points=[1], wait=True))
    note(client.update_vectors("books", [models.PointVectors(id=4, vector=[9, 9, 9, 9])], wait=True))
    note(client.batch_update_points("books", [
        models.UpsertOperation(upsert=models.PointsList(points=[models.PointStruct(id=50, vector=[1, 2, 3, 4])])),
        models.DeleteOperation(delete=models.PointIdsList(points=[6]))], wait=True))
    note(client.delete("books", models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[7, 8])])), wait=True))
    note(client.scroll("books", limit=100, with_vectors=True))
    note(client.update_collection_aliases([models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name="books", alias_name="library"))]))
    note(client.get_aliases())
    note(client.count("library"))
    note(client.get_collections())
    note(client.get_collection("books").config.params)
    snapshot = client.create_snapshot("books", wait=True)
    note(len(client.list_snapshots("books")))
    note(client.delete_snapshot("books", snapshot.name, wait=True))
    for wrong in (lambda: client.count("none"), lambda: client.upsert("books", [models.PointStruct(id=1, vector=[1])], wait=True),
                  lambda: client.create_collection("books", vectors_config=models.VectorParams(size=4, distance="Dot"))):
        try:
            wrong()
            note("no error")
        except UnexpectedResponse as error:
            note((error.status_code, error.content.split(b",\"time\"")[0].split(b":")[2]))
    note(client.delete_collection("books"))
    note(client.get_collections())
    return plain(said)


def client_of(url, caller=None):
    headers = {"X-Forwarded-For": caller} if caller else {}
    return QdrantClient(url=url, timeout=60, metadata=headers, check_compatibility=True)


def answers(url, caller=None):
    client = client_of(url, caller)
    try:
        return scenario(client)
    finally:
        client.close()


def test_one_cluster(region, edge):
    one = region()
    assert answers(edge([one]).url) == answers(one.url)


@pytest.mark.parametrize("caller", ["192.0.2.7", "198.51.100.7", "203.0.113.7"])
def test_divided_by_region(regions, edge, caller):
    one = edge(regions, "elsewhere *=ap\n* europe=eu north-america=us asia=ap residency=strict")
    assert answers(one.url, caller) == answers(regions[0].url)


def test_copies(regions, edge):
    """A schema operation reaches every copy; reads come from the nearest."""
    one = edge(regions, "* *=eu,us,ap copies=external write=nearest")
    client = client_of(one.url, "198.51.100.7")
    client.create_collection("c", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    assert all(client_of(r.url).collection_exists("c") for r in regions)
    client.upsert("c", [models.PointStruct(id=1, vector=[1, 2])], wait=True)
    assert sum(client_of(r.url).count("c").count for r in regions) == 1
    client.delete_collection("c")
    assert not any(client_of(r.url).collection_exists("c") for r in regions)
