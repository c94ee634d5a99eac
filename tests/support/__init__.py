"""What several folders of tests need, built once: see docs/architecture.md."""
