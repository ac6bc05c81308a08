"""How every component talks to an API server: transports, the typed client, informers, work queues, leader election.

Nothing here may know what an API server does inside, or any controller's business. Import the module you need: this
file imports nothing, so that the command line pays only for what it uses.
"""
