"""The workbook parsers, run in a separate process by `connectors.formats.workbook`.

The application does not import any of this, so a parser that crashes, hangs or uses all memory ends
only that process.
"""
