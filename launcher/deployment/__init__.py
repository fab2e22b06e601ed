"""Several agents under one command: a file that describes them, and what keeps them going.

`file` is what such a file may say, `yamltext` where in it something stands. `roll` decides which
pool process runs when; `process` starts one and hears from it, and `program` is what it runs: the
same job or service as for `tamias run` and `tamias serve`. `manager` carries out what `roll` says.
"""
