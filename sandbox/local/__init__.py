"""The sandbox: AWS on one machine, with this repository's own template deployed into it.

MiniStack stands in for AWS, `mgn-sim` for MGN and for SSM commands. Everything listens on
127.0.0.1 and lives under one directory, `.sandbox/` unless told otherwise.
"""
