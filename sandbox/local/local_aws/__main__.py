"""Starts MiniStack, extended; it reads its settings from the environment as always."""

from ministack.app import main

from . import callbacks, condition_keys, documents

callbacks.install()
condition_keys.install()
documents.install()
main()
