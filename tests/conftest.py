"""For all tests: nothing of the person's own AWS configuration or proxies reaches them."""

from sandbox.local.processes import forget_personal_settings

forget_personal_settings()
