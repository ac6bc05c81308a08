"""The store's own process: SQLite, files, and nothing else of Sampan's. `serve.py` is where it starts.

A process because of the interpreter lock: a thread that commits has to win it back from the event loop after every
call into SQLite, and on a busy loop it does not, for milliseconds or seconds. Here commits take what the disk takes,
however busy the server is.

It is small on purpose: what these modules import is paid for in memory on every machine, so they use no dataclasses,
no pathlib, no logging and none of the other rooms. Rows are plain tuples, errors are `Fault`s; `storage/sqlite.py`
turns both into the contract's.
"""
