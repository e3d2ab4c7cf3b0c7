//! Prints the instruction sets for which this machine can run the fused kernels, the best first.

use fokker_score_net::InstructionSet;

fn main() {
    for set in InstructionSet::available() {
        println!("{set}");
    }
}
