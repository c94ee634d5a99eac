"""What several folders of tests need, built once: see CONTRIBUTING.md."""
