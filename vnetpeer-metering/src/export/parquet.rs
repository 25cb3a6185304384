//! The same rows as a Parquet file.

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as PhysicalType},
    data_type::{BoolType, ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{
        properties::{WriterProperties, WriterVersion},
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::Type,
};

use super::usage::{COLUMNS, Column, Kind, Row, Value};

/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

/// Rows as a Parquet file. Times are milliseconds in UTC; quantities are decimals as text.
pub(super) fn to_parquet(rows: &[Row<'_>]) -> Result<Vec<u8>, ParquetError> {
    let fields = COLUMNS.iter().map(|it| field(it).map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("usage").with_fields(fields).build()?;
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("vnetpeer".to_owned())
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema.into(), properties.into())?;
    for part in rows.chunks(GROUP_ROWS) {
        let mut group = file.next_row_group()?;
        let mut columns = COLUMNS.iter();
        while let (Some(mut writer), Some(column)) = (group.next_column()?, columns.next()) {
            write(&mut writer, column, part)?;
            writer.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (PhysicalType::INT64, None),
        Kind::Flag => (PhysicalType::BOOLEAN, None),
        Kind::Time => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    };
    Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

fn write(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    rows: &[Row<'_>],
) -> Result<(), ParquetError> {
    let cells: Vec<Value> = rows.iter().map(column.value).collect();
    let present: Vec<i16> = cells.iter().map(|it| i16::from(*it != Value::Nothing)).collect();
    match column.kind {
        Kind::Text => {
            let texts: Vec<ByteArray> = cells.into_iter().filter_map(text).collect();
            writer.typed::<ByteArrayType>().write_batch(&texts, Some(&present), None)?;
        }
        Kind::Whole | Kind::Time => {
            let numbers: Vec<i64> = cells.iter().filter_map(number).collect();
            writer.typed::<Int64Type>().write_batch(&numbers, Some(&present), None)?;
        }
        Kind::Flag => {
            let flags: Vec<bool> = cells.iter().filter_map(flag).collect();
            writer.typed::<BoolType>().write_batch(&flags, Some(&present), None)?;
        }
    }
    Ok(())
}

fn text(value: Value) -> Option<ByteArray> {
    if let Value::Text(text) = value { Some(text.into_bytes().into()) } else { None }
}

const fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Whole(number) => Some(*number),
        // Seconds of a time that is in a month fit a thousandfold.
        Value::Time(seconds) => Some(seconds.saturating_mul(1_000)),
        _ => None,
    }
}

const fn flag(value: &Value) -> Option<bool> {
    if let Value::Flag(flag) = value { Some(*flag) } else { None }
}
