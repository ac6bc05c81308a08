"""Admission policies in CEL.

`bound` finds the policies that speak of a write, `params` what they are parameterised with. `validating` refuses
(`expressions` compiles, `verdict` judges), `mutating` changes (`mutations`). `scope` is what expressions may speak of,
`seen` how a write looks to them, `conditions` who is asked at all, `typecheck` and `status` what the author is told.
"""
