use std::fmt::Write;

use dacapo_ops::{KernelPlan, Layout, PlanRow, ShapeClass};
use serde_json::{Value, json};

use super::{
    args::PlanArgs,
    output::{print, print_json},
};
use crate::{CliError, compute::DeviceName};

pub(crate) fn plan(args: &PlanArgs) -> Result<i32, CliError> {
    let plan = KernelPlan::current();
    match (args.device, args.json) {
        (DeviceName::Cpu, true) => print_json(&json!({ "device": "cpu", "kernel_plan": "fixed" }))?,
        (DeviceName::Cpu, false) => {
            print(
                "cpu: plain tensor operations and loops, every matrix product the backend's one, in \
                 f32; there is no plan\n",
            )?;
        }
        (DeviceName::Cuda(_) | DeviceName::CudaLocal, true) => print_json(&to_json(&plan))?,
        (DeviceName::Cuda(_) | DeviceName::CudaLocal, false) => print(&to_text(&plan))?,
    }
    Ok(0)
}

fn kernels(row: &PlanRow) -> Vec<&'static str> {
    row.kernels.iter().map(|kernel| kernel.name()).collect()
}

fn layout(row: &PlanRow) -> &'static str {
    row.layout.map_or("any", Layout::name)
}

fn to_json(plan: &KernelPlan) -> Value {
    let classes: serde_json::Map<String, Value> = ShapeClass::ALL
        .into_iter()
        .map(|class| (class.name().to_owned(), class.definition().into()))
        .collect();
    let rows: Vec<Value> = plan
        .rows()
        .iter()
        .map(|row| {
            json!({
                "precision": row.precision,
                "class": row.class.name(),
                "layout": layout(row),
                "kernels": kernels(row),
            })
        })
        .collect();
    let fused: serde_json::Map<String, Value> = plan
        .fused()
        .iter()
        .map(|(name, version)| ((*name).to_owned(), (*version).into()))
        .collect();
    json!({
        "device": "cuda",
        "id": plan.id(),
        "hash": plan.hash(),
        "fused": fused,
        "classes": classes,
        "rows": rows,
        "text": plan.text(),
    })
}

fn to_text(plan: &KernelPlan) -> String {
    let mut out = String::new();
    write_text(&mut out, plan).expect("writing to a string cannot fail");
    out
}

fn write_text(out: &mut String, plan: &KernelPlan) -> std::fmt::Result {
    writeln!(out, "kernels on cuda: {}", plan.id())?;
    for (name, version) in plan.fused() {
        writeln!(
            out,
            "  {name:<18} version {version}, in place of tensor operations"
        )?;
    }
    writeln!(
        out,
        "  {:<9} {:<8} {:<7} kernels, in the order in which they are tried",
        "precision", "class", "layout"
    )?;
    for row in plan.rows() {
        writeln!(
            out,
            "  {:<9} {:<8} {:<7} {}",
            row.precision.name(),
            row.class.name(),
            layout(row),
            kernels(row).join(", ")
        )?;
    }
    for class in ShapeClass::ALL {
        writeln!(out, "  class {:<8} {}", class.name(), class.definition())?;
    }
    writeln!(
        out,
        "  layout       n: row-major, t: column-major, left and right operand"
    )?;
    writeln!(
        out,
        "  tma          only where rows begin at multiples of 16 bytes"
    )?;
    writeln!(out, "  hash         {}", plan.hash())
}
