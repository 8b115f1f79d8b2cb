pub mod expression;
