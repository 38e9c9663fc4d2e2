-- Variants of each gene in the training set, and how many of them have conflicting classifications; most conflicts first.
SELECT coalesce(nullif(symbol, ''), split_part(geneinfo, ':', 1)) AS gene,
       count(*) AS variants,
       sum(class) AS conflicting,
       round(100.0 * sum(class) / count(*), 1) AS percent
FROM clinvar_conflicting
GROUP BY 1
ORDER BY 3 DESC, 1
