"""Starts MiniStack, extended; it reads its settings from the environment as always."""

from ministack.app import main

from . import condition_keys, documents

condition_keys.install()
documents.install()
main()
