"""Flight SQL's messages made by protobuf itself, in a pool of their own: no names collide."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _BYTES, _BOOL = _Field.TYPE_STRING, _Field.TYPE_BYTES, _Field.TYPE_BOOL
_UINT32, _INT32 = _Field.TYPE_UINT32, _Field.TYPE_INT32
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED

# name: (field, type, label) by number, as in format/FlightSql.proto and google/protobuf/any.proto.
_MESSAGES = {
    "Any": [("type_url", _STRING, _ONE), ("value", _BYTES, _ONE)],
    "CommandGetSqlInfo": [("info", _UINT32, _MANY)],
    "CommandGetXdbcTypeInfo": [("data_type", _INT32, _ONE)],
    "CommandGetTables": [
        ("catalog", _STRING, _ONE),
        ("db_schema_filter_pattern", _STRING, _ONE),
        ("table_name_filter_pattern", _STRING, _ONE),
        ("table_types", _STRING, _MANY),
        ("include_schema", _BOOL, _ONE),
    ],
    "ActionCreatePreparedStatementResult": [
        ("prepared_statement_handle", _BYTES, _ONE),
        ("dataset_schema", _BYTES, _ONE),
        ("parameter_schema", _BYTES, _ONE),
    ],
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="flight_sql_test.proto", package="test", syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, label) in enumerate(fields, start=1):
            message.field.add(name=field, number=number, type=kind, label=label)
    return file


def message_class(name: str) -> type:
    """Protobuf's own class of a message; every field of it knows whether it is there."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}"))
