"""What reads workbooks, in a process of its own: `connectors.formats.workbook` starts it.

Nothing here is imported by the application itself, so a parser that crashes, hangs or wants all
of the memory ends that process and no other.
"""
