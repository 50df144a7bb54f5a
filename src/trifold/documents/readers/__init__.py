"""Folders of documents (plain text, Markdown, HTML, PDF) as texts."""
