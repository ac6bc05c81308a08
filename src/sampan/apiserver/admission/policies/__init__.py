"""Admission policies in CEL.

`expressions` compiles a policy, `verdict` holds a write against it, `params` finds what it is parameterised with, and
`plugin` finds the policies that speak of a write.
"""
