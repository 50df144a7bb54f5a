"""What depends on the language of a text: sentences, stems, stop words."""
