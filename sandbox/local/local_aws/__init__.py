"""MiniStack with the little that this project's template needs and MiniStack has not."""
