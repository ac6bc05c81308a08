"""API aggregation: groups that other API servers serve, behind this one's address, authentication and authorisation.

`services.py` knows which APIService stands for which group and version; `proxy.py` passes a request on; `discover.py`
asks what is served there; `aggregator.py` keeps all that true, and says in each APIService's status whether it answers.
"""
