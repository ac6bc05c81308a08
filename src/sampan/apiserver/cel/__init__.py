"""The Common Expression Language as Kubernetes speaks it: rules in custom resources' schemas and in policies.

`parser` reads a text into the tree of `syntax`; `check` finds its type and what is wrong with it before it ever runs;
`evaluate` makes a function of it. `functions` has the library, `values` what an expression computes with, `schemas`
turns OpenAPI schemas into types and objects into values. All of it is pure: no clock, no file, no network, and an
evaluation that takes too many steps is ended.
"""
