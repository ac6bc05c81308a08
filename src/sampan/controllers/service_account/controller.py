"""Every namespace that lives has its ServiceAccounts; one that is deleted is made again."""

from __future__ import annotations

from sampan.api.errors import AlreadyExists
from sampan.api.types import core_v1, meta_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespaces import is_terminating

NAMES = ("default",)


class ServiceAccounts(KeyedController):
    """Keys are namespaces."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = context.informer(core_v1.Namespace)
        self.accounts = context.informer(core_v1.ServiceAccount)
        self.namespaces.add_key_handler(self.queue.add)
        self.accounts.add_handler(on_delete=lambda account: self.queue.add(account.metadata.namespace or ""))

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.store.by_key(key)
        if namespace is None or namespace.status.phase != "Active" or namespace.metadata.deletionTimestamp:
            return
        for name in NAMES:
            if self.accounts.store.get(name, namespace=key) is None:
                await self._create(key, name)

    async def _create(self, namespace: str, name: str) -> None:
        account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace))
        try:
            await self.client.resource(core_v1.ServiceAccount).create(account)
        except AlreadyExists:
            pass
        except Exception as error:
            if not is_terminating(error):
                raise
