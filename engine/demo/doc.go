// Package demo tells pgrecall's story on a throwaway server: a documentation
// service's database is followed while it is written to, loses all of its users
// to a DELETE without WHERE one evening, and gets them back.
//
// The story runs the same use cases as the command line, in the same order as a
// person would. Its truth is taken in the transaction of the bad DELETE itself:
// the tables are locked against writers, copied out row by row, and only then
// emptied, so that the rows copied are exactly the database's state before that
// transaction in commit order. What is restored is compared with them byte for
// byte.
package demo
