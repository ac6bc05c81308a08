// An informer of npm's @kubernetes/client-node over ConfigMaps: prints a line an event, until its stdin ends.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const require = createRequire(`${process.argv[2]}/x.js`);
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')).href);

const config = new k8s.KubeConfig();
config.loadFromFile(process.argv[3]);
const api = config.makeApiClient(k8s.CoreV1Api);
const path = '/api/v1/namespaces/default/configmaps';
const list = () => api.listNamespacedConfigMap({ namespace: 'default' });
const informer = k8s.makeInformer(config, path, list);
for (const verb of ['add', 'update', 'delete']) {
    informer.on(verb, (object) => console.log(verb, object.metadata.name, object.data?.k ?? '-'));
}
informer.on('error', () => setTimeout(() => informer.start(), 100));
await informer.start();
console.log('started');
await api.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'own' }, data: { k: '1' } } });
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
