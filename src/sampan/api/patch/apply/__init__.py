"""Server-side apply and managedFields.

A set of fields is kept in the very form that the wire carries (FieldsV1), so nothing is parsed or printed on the way:

    fieldset.py   sets of fields as FieldsV1 trees: union, difference, intersection
    compare.py    which fields two objects differ in
    config.py     the set of an applied object; its check against the schema
    merge.py      merging an applied object into the live one; taking fields out of an object
    managers.py   the entries of metadata.managedFields
    update.py     who owns what after an ordinary write
    apply.py      apply itself
"""
