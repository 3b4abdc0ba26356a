// SPDX-License-Identifier: Apache-2.0
// Most of what the official JavaScript client can do, against one URL; prints the answers as JSON.
//   node scenario.mjs URL [CALLER-ADDRESS]
import { QdrantClient } from '@qdrant/js-client-rest';

const [url, caller] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const client = new QdrantClient({ host: hostname, port: Number(port), https: false, checkCompatibility: true,
    headers: caller ? { 'X-Forwarded-For': caller } : {} });
const said = [];
const note = (value) => said.push(value ?? null);
const refused = async (call) => {
    try {
        await call();
        note('no error');
    } catch (error) {
        note([error.status ?? error.name, error.data?.status?.error ?? null]);
    }
};

note(await client.collectionExists('js'));
note(await client.createCollection('js', { vectors: { size: 2, distance: 'Dot' } }));
note(await client.createPayloadIndex('js', { field_name: 'city', field_schema: 'keyword', wait: true }));
note(await client.upsert('js', { wait: true, points: [...Array(20).keys()].map((n) =>
    ({ id: n + 1, vector: [n, 1], payload: { n, city: n % 2 ? 'A' : 'B' } })) }));
note(await client.retrieve('js', { ids: [1, 2, 99], with_vector: true }));
note(await client.count('js', { exact: true }));
note(await client.scroll('js', { limit: 3, filter: { must: [{ key: 'city', match: { value: 'A' } }] } }));
note(await client.query('js', { query: [1, 1], limit: 2, with_payload: true }));
note(await client.search('js', { vector: [1, 1], limit: 2 }));
note(await client.setPayload('js', { payload: { seen: true }, points: [1], wait: true }));
note(await client.batchUpdate('js', { wait: true, operations: [{ delete: { points: [3] } }] }));
note(await client.delete('js', { filter: { must: [{ has_id: [4] }] }, wait: true }));
note(await client.updateCollectionAliases({ actions: [{ create_alias: { collection_name: 'js', alias_name: 'js-alias' } }] }));
note(await client.getAliases());
note((await client.count('js-alias')).count);
note((await client.getCollections()).collections);
const snapshot = await client.createSnapshot('js');
note((await client.listSnapshots('js')).length);
note(await client.deleteSnapshot('js', snapshot.name));
await refused(() => client.count('none'));
await refused(() => client.upsert('js', { wait: true, points: [{ id: 1, vector: [1] }] }));
await refused(() => client.createCollection('js', { vectors: { size: 2, distance: 'Dot' } }));
note(await Promise.all([...Array(40).keys()].map(async () => (await client.count('js')).count)));
note(await client.deleteCollection('js'));
console.log(JSON.stringify(said, (key, value) => (['operation_id', 'version', 'creation_time'].includes(key) ? undefined : value)));
